import { start } from "../page";
import { featureTable } from "../views/featuretable";

start(document, "feature_table", featureTable);
