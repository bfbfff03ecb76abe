import "@countersign/client/inline";
import "./page.js";
