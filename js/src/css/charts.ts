// The style sheets of charts, lists and tables.
import chart from "./chart.css";
import report from "./report.css";

export const CHARTS = [chart, report];
