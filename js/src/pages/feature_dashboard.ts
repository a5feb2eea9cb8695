import { start } from "../page";
import { featureDashboard } from "../views/featuredashboard";

start(document, "feature_dashboard", featureDashboard);
