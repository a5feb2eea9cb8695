// What cannot be done, and what to do instead: in the words that Python uses for the same.
export class Refusal extends Error {
  override name = "Refusal";

  constructor(
    readonly what: string,
    readonly todo = "",
  ) {
    super(`${what} ${todo}`.trim());
  }
}
