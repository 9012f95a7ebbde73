/**
 * A cell for practice: the forms that cells of notebooks have. Converted a few times while nobody waits, it has the
 * engine compile the compiler, whose first runs take several times as long as the later ones.
 */
export const PRACTICE: string = `interface Shape<T> { readonly kind: 'round' | 'square'; sizes: T[]; name?: string }
abstract class Base<T extends number> implements Shape<T> {
  readonly kind = 'round';
  static count = 0;
  private known = new Map<string, T[]>();
  constructor(readonly sizes: T[], public name = \`shape \${Base.count++}\`) {}
  get first(): T | undefined { return this.sizes[0]; }
  abstract grown(by: number): Base<T>;
  keep(key: string, ...values: T[]): this { this.known.set(key, [...(this.known.get(key) ?? []), ...values]); return this; }
}
enum Level { Low, High }
type Named = { [Key in keyof typeof Level as Lowercase<Key & string>]?: (typeof Level)[Key] };
class Round extends Base<number> {
  override grown(by: number): Round { return new Round(this.sizes.map((size) => size * by)); }
}
const shapes = Array.from({ length: 3 }, (_, i) => new Round([i, 2 * i]).keep('a', i));
const { low = Level.Low, high }: Named = { high: Level.High };
let total = 0;
for (const [index, { sizes, name }] of shapes.entries()) {
  if (index === 1 && name.startsWith('x')) continue;
  total += sizes.reduce((sum, size) => sum + Math.sin(size), 0) / (index + 1);
}
async function* steps(count: number): AsyncGenerator<{ step: number; loss: number }> {
  for (let step = 1; step <= count; step++) yield { step, loss: await Promise.resolve(1 / step) };
}
const losses: number[] = [];
for await (const { step, loss } of steps(2)) losses.push(loss, step);
try { shapes.find((shape) => shape.first === high)?.grown(2); } catch (error) { total = NaN; }
shapes.flatMap((shape) => shape.sizes).filter((size) => size > low).length + total + losses.length
`;
