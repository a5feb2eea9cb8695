import { start } from "../page";
import { contrast } from "../views/contrast";

start(document, "contrast", contrast);
