// Features by index or by words of their label: `Scope.search` in the page.
import { MOST } from "../search";
import type { Engine } from "./read";

export function search({ dictionaries, labels }: Engine, query: string, site: string): { id: string; label: string }[] {
  const text = query.trim();
  const slash = text.lastIndexOf("/");
  const index = text.slice(slash + 1);
  const home = slash < 0 ? site : text.slice(0, slash);
  const dictionary = dictionaries.find(({ key }) => key === home);
  if (/^\d{1,9}$/.test(index) && dictionary && Number(index) < dictionary.encoder.rows) {
    const id = `${home}/${Number(index)}`;
    return [{ id, label: labels.get(id) ?? "" }];
  }
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const far = (id: string) => (id.startsWith(`${site}/`) ? 0 : 1);
  return [...labels]
    .filter(([, label]) => words.every((word) => label.toLowerCase().includes(word)))
    .map(([id, label]) => ({ id, label }))
    .sort(
      (a, b) => far(a.id) - far(b.id) || (a.label < b.label ? -1 : a.label > b.label ? 1 : 0) || (a.id < b.id ? -1 : 1),
    )
    .slice(0, MOST);
}
