import { start } from "../page";
import { compare } from "../views/compare";

start(document, "compare", compare);
