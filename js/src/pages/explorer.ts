import { start } from "../page";
import { explorer } from "../views/explorer";

start(document, "explorer", explorer);
