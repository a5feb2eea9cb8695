import { start } from "../page";
import { frontier } from "../views/frontier";

start(document, "frontier", frontier);
