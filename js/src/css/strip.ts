// The style sheets of a prompt's tokens.
import long from "./long.css";
import strip from "./strip.css";

export const STRIP = [strip, long];
