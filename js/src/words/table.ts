// Words of the table of features.
import { count } from "../format";
import { features, helpKeys, ofTotal } from "./common";

export const keys: readonly (readonly [string, string])[] = [
  ["/", "search"],
  ["↑ ↓", "from row to row"],
  ["Enter", "open the feature; in a chart, mark a bound"],
  ["Space", "choose the feature"],
  ["Esc", "leave the search, close the feature"],
  ["Ctrl Z", "undo"],
  helpKeys,
];

// Around the table, and the feature that is open in its place.
export const toFrame = "view.to_frame() gives the rows as a table";
export const noRowFits = "No row of this page fits.";
export const dictionary = "Dictionary";
export const back = "← back to the table";
export const choose = "choose";
export const unchoose = "chosen ×";

// The search.
export const searchBy = "Search by";
export const byWords = "words";
export const byTexts = "fires here, not there";
export const textWhereItFires = "A text where it fires";
export const textWhereNot = "A text where it does not";
export const promoted = "tokens it promotes";
export const firesOn = "tokens it fires on";
export const wordsOf = (tokens: string): string => `Words of labels, examples, ${tokens}; or a number`;

// How many fit, and what they had to.
export const fitting = "{n} of {total}";
export const inAll = (n: number): string => `${count(n)} features`;
export const fittingInPage = "{n} of {rows} rows in this page, {total} features in all";
export const quoted = (text: string): string => `“${text}”`;
export const firesIn = (text: string): string => `fires in “${text}”`;
export const notIn = (text: string): string => `not in “${text}”`;
export const region = "region of the map";
export const takeAway = "take away";
export const clear = "clear";

// Any other statistic.
export const addStatistic = "+ statistic";
export const sortOrFilter = "Sort or filter by a statistic";
export const statistic = "Statistic";
export const from = "from";
export const to = "to";
export const filter = "Filter";
export const sort = "Sort";

// The chosen features.
export const chosen = (n: number): string => `${count(n)} chosen`;
export const open = (id: string): string => `open ${id}`;
export const openLetter = (letter: string, id: string): string => `Open ${letter}, ${id}`;
export const copyIds = "Copy ids";
export const idsCopied = "Ids copied";
export const cannotCopy = "The browser does not let this page copy.";
export const drop = "drop";

// The rows.
export const featuresOf = (site: string): string => `Features of ${site}`;
export const feature = (index: number): string => `feature ${index}`;
export const sortBy = (column: string): string => `sort by ${column}`;
export const chosenColumn = "chosen";
export const featureColumn = "feature";
export const labelColumn = "label";
export const activationsColumn = "activations";
export const dropRow = (name: string): string => `Drop ${name}`;
export const chooseRow = (name: string): string => `Choose ${name}`;
export const histogram = "histogram of activations";
/** Where a search found its words, by the number that Python gives the place. */
export const matches: readonly string[] = ["", "examples", "fires on", "promotes", "label"];

// How a statistic is spread.
export const barOf = (title: string, range: string, fit: number, n: number): string =>
  `${title} ${range}: ${count(fit)} of ${features(n)}`;
export const spreadOf = (title: string, n: number): string =>
  `${title} of ${features(n)}. Arrow keys read it, Enter marks where a filter begins and ends.`;
export const shareOfTokens = "share of tokens";
export const dead = (n: number): string => `${count(n)} dead not shown`;
export const fromHere = "From here. Enter again where it ends.";

// Two statistics against each other.
export const drawn = (n: number, total: number): string => `${ofTotal(n, total)} drawn`;
export const readByKeys = (summary: string): string => `${summary} Arrow keys read them, Enter opens one.`;
export const scoresHeading = "What it reads, what it says";
export const dragCorner = "drag a corner to choose";
export const scoresOf = (y: string, x: string, n: number): string => `${y} score over ${x} score of ${features(n)}.`;
export const says = "says";
export const reads = "reads";
export const readsAndSays = "reads and says";
export const scoreUp = (title: string): string => `${title} score ↑`;
export const scoreRight = (title: string): string => `${title} score →`;
export const decoderMap = "Decoder map";
export const mapHint = "like directions lie together; drag to choose, click to open";
export const mapOf = (n: number): string => `Map of the decoder directions of ${features(n)}.`;

// What can go wrong.
export const noHost = "no host";
export const openAgain = "Go back and open it again, or show view.dashboard in a cell.";
export const scrollOn = "Scroll on, or run the cell again.";
export const unequalRows = "The rows of the table are of unequal length.";
export const otherColumns = "The rows have other columns than the table.";
