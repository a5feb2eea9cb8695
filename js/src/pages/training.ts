import { start } from "../page";
import { training } from "../views/training";

start(document, "training", training);
