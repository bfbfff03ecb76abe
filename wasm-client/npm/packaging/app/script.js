import process from "node:process";
import { story } from "./story.js";

process.stdout.write(JSON.stringify(await story(process.argv[2], "BODY")));
