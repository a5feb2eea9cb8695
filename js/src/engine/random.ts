// torch's random numbers (Mersenne Twister, Matsumoto & Nishimura 1998): the page draws the controls that Python draws.
const N = 624;

export class Generator {
  readonly #state = new Uint32Array(N);
  #at = N;

  constructor(seed: number) {
    this.#state[0] = seed;
    for (let i = 1; i < N; i++) {
      const last = this.#state[i - 1] as number;
      this.#state[i] = Math.imul(1812433253, last ^ (last >>> 30)) + i;
    }
  }

  /** 32 random bits. */
  next(): number {
    if (this.#at === N) this.#twist();
    let y = this.#state[this.#at++] as number;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  #twist(): void {
    const state = this.#state;
    for (let i = 0; i < N; i++) {
      const y = ((state[i] as number) & 0x80000000) | ((state[(i + 1) % N] as number) & 0x7fffffff);
      state[i] = (state[(i + 397) % N] as number) ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.#at = 0;
  }

  /** `torch.randint(size, (1,))`. */
  below(size: number): number {
    return this.next() % size;
  }

  /** `torch.randn(size)` of 16 numbers or more (Box & Muller 1958, sixteen at a time). */
  normal(size: number): Float32Array {
    const draw = () => (this.next() & 0xffffff) / 0x1000000;
    const values = Float32Array.from({ length: size }, draw);
    for (let start = 0; start + 16 <= size; start += 16) transform(values.subarray(start, start + 16));
    if (size % 16) {
      const rest = values.subarray(size - 16);
      for (let i = 0; i < 16; i++) rest[i] = draw();
      transform(rest);
    }
    return values;
  }
}

function transform(values: Float32Array): void {
  for (let i = 0; i < 8; i++) {
    const radius = Math.sqrt(-2 * Math.log(1 - (values[i] as number)));
    const angle = 2 * Math.PI * (values[i + 8] as number);
    values[i] = radius * Math.cos(angle);
    values[i + 8] = radius * Math.sin(angle);
  }
}
