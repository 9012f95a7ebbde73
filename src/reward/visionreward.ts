/**
 * VisionReward through a server: its base model (CogVLM2, 19 billion parameters) runs elsewhere, behind the chat
 * interface of OpenAI (vLLM, llama.cpp), and is a black box without gradient.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type Clip, createClip } from '../io/index.ts';
import { encodePng, frameImage } from '../io/internal.ts';
import { askServer, type ChatServer } from './chat-server.ts';
import { checkValues, checkVideo, type Judge, type JudgeInfo } from './contract.ts';

/** VisionReward as a judge, with the answers that make its score. */
export interface VisionReward extends Judge {
  /**
   * Answers about one clip, in the order of the checklist: +1 for yes, -1 for anything else (between them if soft).
   *
   * @throws Error if the server fails, so that a failure is never a score.
   */
  answers(clip: Clip, prompt: string, signal?: AbortSignal): Promise<number[]>;
}

/** Where VisionReward is served and how it is asked. */
export interface VisionRewardOptions extends ChatServer {
  /** One for each item of the checklist, from {@link readVisionRewardQuestions}. */
  readonly questions: readonly string[];
  /** Frames a second of the videos that `score` is given. @defaultValue 16, Wan's */
  readonly fps?: number;
  /** Questions asked at a time. @defaultValue 4 */
  readonly parallel?: number;
  /**
   * `hard` counts an answer that begins with yes as +1, any other as -1, as the reference does. `soft` reads how
   * likely the server finds both, tanh((l_yes - l_no) / 2): finer, not the published score, and so called `soft-checklist`.
   *
   * @defaultValue 'hard'
   */
  readonly answers?: 'hard' | 'soft';
}

/**
 * VisionReward for videos by an external server: 29 yes/no questions, the mean of weight times answer. For evaluation,
 * best-of-n and preference labels, not for a loss.
 * A clip is shown as one frame for each second, at most 24; `yes` as the first token counts, as in the reference.
 *
 * @throws RangeError if there is not one question for each item of the checklist; (from the judge) Error if the server
 * cannot be reached, fails, does not answer in time, or sends something else than an answer.
 * Source: VisionReward inference-video.py.
 * @example
 * const questions = await readVisionRewardQuestions('VisionReward_video_qa_select.txt');
 * const judge = visionReward({ endpoint: 'http://localhost:8000/v1', model: 'VisionReward-Video', questions });
 * const scores = await judge.score(video, ['a red fox runs through snow']);
 */
export function visionReward(options: VisionRewardOptions): VisionReward {
  const { questions, fps = 16, parallel = 4 } = options;
  if (questions.length !== visionRewardWeights.length) {
    throw new RangeError(`questions: received ${questions.length}, wanted ${visionRewardWeights.length}`);
  }
  const info = visionRewardInfo(options, fps);
  const answers: VisionReward['answers'] = async (clip, prompt, signal) => {
    checkValues(info.id, clip.data);
    const images = await frameUrls(clip);
    const given: number[] = [];
    for (let first = 0; first < questions.length; first += parallel) {
      const asked = questions.slice(first, first + parallel).map((question) => question.replaceAll(slot, () => prompt));
      given.push(...(await askTogether(options, images, asked, signal)));
    }
    return given;
  };
  const score: Judge['score'] = async (video, prompts) => {
    const values = await checkVideo(info, video, prompts);
    const [, frames, height, width] = video.shape as [number, number, number, number, number];
    const length = values.length / prompts.length;
    const scores: number[] = [];
    for (const [i, prompt] of prompts.entries()) {
      const clip = createClip(values.slice(i * length, (i + 1) * length), { frames, height, width, fps });
      scores.push(checklistScore(await answers(clip, prompt)));
    }
    return scores;
  };
  return { info, score, answers, dispose: () => {} };
}

function visionRewardInfo(
  { endpoint, model, questions, answers = 'hard' }: VisionRewardOptions,
  fps: number,
): JudgeInfo {
  const asked = createHash('sha256').update(questions.join('\n')).digest('hex');
  return {
    id: answers === 'hard' ? 'visionreward-video' : 'soft-checklist',
    kind: 'clip',
    differentiable: false,
    inputSize: null,
    settings: { answers, fps, mostFrames: MOST_FRAMES, questions: asked },
    external: { endpoint, model },
  };
}

/** Answers of questions asked at once; the first failure ends the others. */
async function askTogether(
  options: VisionRewardOptions,
  images: readonly string[],
  texts: readonly string[],
  signal?: AbortSignal,
): Promise<number[]> {
  const others = new AbortController();
  const signals = [others.signal, ...(signal ? [signal] : [])];
  const soft = options.answers === 'soft';
  try {
    return await Promise.all(
      texts.map((text) => askServer(options, { images, text, soft, signal: AbortSignal.any(signals) })),
    );
  } finally {
    others.abort();
  }
}

const slot = '[[prompt]]';
const MOST_FRAMES = 24;

/** Indices of the frames nearest to each full second. Source: VisionReward inference-video.py, `load_video`. */
export function secondFrames({ frames, fps }: Pick<Clip, 'frames' | 'fps'>): number[] {
  const seconds = Math.min(Math.round((frames - 1) / fps) + 1, MOST_FRAMES);
  return Array.from({ length: seconds }, (_, second) =>
    Math.min(Math.max(Math.ceil(second * fps - 0.5), 0), frames - 1),
  );
}

async function frameUrls(clip: Clip): Promise<string[]> {
  const pictures = await Promise.all(secondFrames(clip).map((index) => encodePng(frameImage(clip, index))));
  return pictures.map((png) => `data:image/png;base64,${Buffer.from(png).toString('base64')}`);
}

/** First digits of the SHA-256 of the published question file. */
const QUESTIONS_HASH = '79de7f5e135a7957';

/**
 * VisionReward's questions from a copy of its `VisionReward_video_qa_select.txt`; the file is checked by hash.
 *
 * @throws Error if it is another file.
 */
export async function readVisionRewardQuestions(path: string): Promise<string[]> {
  const bytes = await readFile(path);
  const hash = createHash('sha256').update(bytes).digest('hex');
  if (!hash.startsWith(QUESTIONS_HASH)) {
    throw new Error(
      `${path}: SHA-256 is ${hash.slice(0, 16)}..., wanted ${QUESTIONS_HASH}...: VisionReward_video_qa_select.txt, unchanged`,
    );
  }
  return bytes.toString('utf8').trimEnd().split(/\r?\n/);
}

/**
 * What the answers count, in the order of `VisionReward_video_qa_select.txt`: the weights of `weight.json`.
 * Source: Xu et al. 2024, arXiv 2412.21059; VisionReward VisionReward-Video.
 */
export const visionRewardWeights: readonly number[] = [
  0.95439, 0.252397, 1.141819, 0.034957, 0.025237, 0.126008, 0.032215, 0.162868, 0.216739, 0.019703, 0.13604, 0.096471,
  0.154909, 0.129416, 0.098917, 0.188393, 0.184434, 0.263553, 0.11169, 0.051738, 0.025628, 0.438989, 0.268577, 0.429252,
  0.008462, 0.127573, 0.057982, 0.144633, 0.394181,
];

/** Score of a video: the mean of weight times answer (+1 for yes, -1 for anything else), in the order of the questions. */
export function checklistScore(answers: readonly number[]): number {
  const { length } = visionRewardWeights;
  if (answers.length !== length) {
    throw new RangeError(`answers: received ${answers.length}, wanted one for each of ${length} questions`);
  }
  return visionRewardWeights.reduce((sum, weight, i) => sum + weight * answers[i]!, 0) / length;
}
