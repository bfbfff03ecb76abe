import "@countersign/client/inline";
import "./script.js";
