/** What is measured on one video: columns of a table, each saying how it came about, filled while the video is shown. */
import type { VideoShape, Watch } from '../vbench/watch.ts';
import type { VideoEntry } from './videos.ts';

/** A number that videos get, and how. */
export interface MeasureColumn {
  /** A dimension of VBench by its own name, or another name for anything that is not exactly that. */
  readonly name: string;
  /** Formula, network and sizes in a few words. */
  readonly variant: string;
  /** Whether VBench would give the same number for the same video. */
  readonly officialEquivalent: boolean;
  /** What better means; null for numbers that only describe. */
  readonly better: 'higher' | 'lower' | null;
  /** Whether values are 0 or 1, so that their mean is a share. @defaultValue false */
  readonly isShare?: boolean;
  /** Values of a prompt that count, those of the lowest seeds. @defaultValue all */
  readonly mostPerPrompt?: number;
  /** Weight files with their SHA-256, for numbers that rest on networks. */
  readonly weights?: Readonly<Record<string, string>>;
}

/** A video as measures see it. */
export interface MeasuredVideo extends Pick<VideoEntry, 'prompt' | 'style' | 'dimensions'>, VideoShape {}

/** A value and how much it counts among those of other videos; null where the measure says nothing about this video. */
export type Measured = { readonly score: number; readonly weight: number } | null;

/** Values by column, and by column why there is none. */
export interface MeasuredValues {
  readonly values: Readonly<Record<string, Measured>>;
  readonly notes: Readonly<Record<string, string>>;
}

/** Columns that are measured together, on what `open` takes into memory. */
export interface MeasureGroup {
  readonly columns: readonly MeasureColumn[];
  /** Bytes that its networks take. @defaultValue 0 */
  readonly sizeBytes?: number;
  /** Whether any column says something about a video; one that none does is not read. @defaultValue all */
  appliesTo?(video: VideoEntry): boolean;
  open(): Promise<OpenMeasures>;
}

/** A group that is ready to measure. */
export interface OpenMeasures {
  /** Whether it must know how many frames there will be: they are counted first. @defaultValue false */
  readonly needsFrames?: boolean;
  start(video: MeasuredVideo): Watch<MeasuredValues>;
  dispose(): void;
}

/** Measures at work, by the columns that stay empty if they fail. */
export interface MeasurePart {
  readonly columns: readonly string[];
  start(): Watch<MeasuredValues>;
}

/** Measures as one: what fails on a video leaves its own columns empty, with the reason as their note; the others go on. */
export function together(parts: readonly MeasurePart[]): Watch<MeasuredValues> {
  const [values, notes]: [Record<string, Measured>, Record<string, string>] = [{}, {}];
  const watches = new Map<MeasurePart, Watch<MeasuredValues> | null>(parts.map((part) => [part, null]));
  const each = async (work: (watch: Watch<MeasuredValues>) => void | Promise<void>): Promise<void> => {
    for (const [part, begun] of watches) {
      try {
        const watch = begun ?? part.start();
        watches.set(part, watch);
        await work(watch);
      } catch (error) {
        watches.delete(part);
        for (const name of part.columns) [values[name], notes[name]] = [null, firstLine(error)];
      }
    }
  };
  return {
    see: (frame) => each((watch) => watch.see(frame)),
    result: async () => {
      await each(async (watch) => {
        const own = await watch.result();
        Object.assign(values, own.values);
        Object.assign(notes, own.notes);
      });
      return { values, notes };
    },
  };
}

/** What an error says, in one line. */
export function firstLine(error: unknown): string {
  return error instanceof Error ? error.message.split('\n')[0]! : String(error);
}
