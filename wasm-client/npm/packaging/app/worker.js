import "@countersign/client/inline";
import { story } from "./story.js";

globalThis.story = (origin) => story(origin, "BODY");
