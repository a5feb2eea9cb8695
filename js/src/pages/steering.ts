import { start } from "../page";
import { steering } from "../views/steering";

start(document, "steering", steering);
