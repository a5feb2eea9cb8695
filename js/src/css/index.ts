// The style sheets of every view. Later ones win.
import bar from "./bar.css";
import base from "./base.css";
import controls from "./controls.css";
import features from "./features.css";
import legend from "./legend.css";
import narrow from "./narrow.css";
import readings from "./readings.css";

export const BASE = [base, controls, bar, legend, features, readings, narrow];
