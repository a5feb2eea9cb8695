import { start } from "../page";
import { dictionaryReport } from "../views/dictionaryreport";

start(document, "dictionary_report", dictionaryReport);
