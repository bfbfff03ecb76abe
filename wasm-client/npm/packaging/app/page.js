import { story } from "./story.js";

globalThis.story = () => story(location.origin, "COOKIE");
