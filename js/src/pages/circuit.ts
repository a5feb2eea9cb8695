import { start } from "../page";
import { circuitGraph } from "../views/circuitgraph";

start(document, "circuit", circuitGraph());
