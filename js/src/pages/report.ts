import "../order";
import { startAll } from "../page";
import { VIEWS } from "../views";

startAll(document, VIEWS);
