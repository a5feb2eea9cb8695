// The payload of a report on a dictionary.
import type { Kind } from "../decode";
import type { DictionaryReportPayload } from "../payloads";
import { DICTIONARY_REPORT_PAYLOAD } from "../records";
import { checkHistogram } from "./histogram";

export function checkReport(report: DictionaryReportPayload): void {
  checkHistogram("density", report.density);
  checkHistogram("neighbours", report.neighbours);
}

export const DICTIONARY_REPORT: Kind<DictionaryReportPayload> = {
  name: "dictionary_report",
  fields: DICTIONARY_REPORT_PAYLOAD,
  check: checkReport,
};
