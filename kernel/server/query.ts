/** Questions that a cell asks as in IPython: `name?` or `?name` for its type and docstring, `??` for its source too. */

export interface Query {
  /** A name, or names with dots between. */
  name: string;
  withSource: boolean;
}

const NAMES = String.raw`[\p{L}_$][\p{L}\p{N}_$]*(?:\.[\p{L}_$][\p{L}\p{N}_$]*)*`;
const QUERY = new RegExp(String.raw`^(\?{1,2})\s*(${NAMES})$|^(${NAMES})\s*(\?{1,2})$`, 'u');

/** The question that the whole cell asks; null where it is code. */
export function readQuery(code: string): Query | null {
  const [, before, after, first, behind] = QUERY.exec(code.trim().replace(/;$/, '')) ?? [];
  const name = after ?? first;
  return name === undefined ? null : { name, withSource: (before ?? behind) === '??' };
}
