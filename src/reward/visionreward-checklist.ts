/** VisionReward's checklists: what is asked about (labels of ours) and what each answer counts. */

/** One yes/no question. */
export interface ChecklistItem {
  readonly topic: string;
  readonly weight: number;
}

/**
 * The video checklist in the order of `VisionReward_video_qa_select.txt`, weights of `weight.json`.
 * Source: Xu et al. 2024, arXiv 2412.21059; VisionReward VisionReward-Video.
 */
export const visionRewardVideo: readonly ChecklistItem[] = [
  { topic: 'meets all of the prompt', weight: 0.95439 },
  { topic: 'meets most of the prompt', weight: 0.252397 },
  { topic: 'not a complete miss of the prompt', weight: 1.141819 },
  { topic: 'composition pleasing', weight: 0.034957 },
  { topic: 'composition unflawed', weight: 0.025237 },
  { topic: 'camera unflawed', weight: 0.126008 },
  { topic: 'colours acceptable', weight: 0.032215 },
  { topic: 'lighting exact', weight: 0.162868 },
  { topic: 'lighting without error', weight: 0.216739 },
  { topic: 'light present', weight: 0.019703 },
  { topic: 'light exceptional', weight: 0.13604 },
  { topic: 'light beautiful', weight: 0.096471 },
  { topic: 'light not ugly', weight: 0.154909 },
  { topic: 'first-frame shape exact', weight: 0.129416 },
  { topic: 'first-frame shape ok', weight: 0.098917 },
  { topic: 'first-frame shape not chaotic', weight: 0.188393 },
  { topic: 'shape kept perfectly', weight: 0.184434 },
  { topic: 'shape not chaotic over time', weight: 0.263553 },
  { topic: 'camera highly dynamic', weight: 0.11169 },
  { topic: 'camera motion not minimal', weight: 0.051738 },
  { topic: 'object motion very smooth', weight: 0.025628 },
  { topic: 'motion fully realistic', weight: 0.438989 },
  { topic: 'image quality very stable', weight: 0.268577 },
  { topic: 'details very refined', weight: 0.429252 },
  { topic: 'details not rough', weight: 0.008462 },
  { topic: 'details not very rough', weight: 0.127573 },
  { topic: 'letters correct', weight: 0.057982 },
  { topic: 'letters present', weight: 0.144633 },
  { topic: 'physical-world content', weight: 0.394181 },
];

/**
 * Score of a video: the mean over the checklist of weight times answer.
 *
 * @param answers - +1 for yes, -1 for anything else, in order
 * @throws RangeError if there is not one answer for each question.
 */
export function checklistScore(
  answers: readonly number[],
  checklist: readonly ChecklistItem[] = visionRewardVideo,
): number {
  if (answers.length !== checklist.length) {
    throw new RangeError(`answers: received ${answers.length}, wanted one for each of ${checklist.length} questions`);
  }
  return checklist.reduce((sum, { weight }, i) => sum + weight * answers[i]!, 0) / checklist.length;
}

/** The image checklist: weights, and the questions whose answers depend on a body, a face or hands being there. */
export interface ImageChecklist {
  /** Of the prompt alignment, then of the questions that are no masks, in order. */
  readonly weights: readonly number[];
  /** Question that asks whether something is there, with the questions about it; the masks carry no weight. */
  readonly masks: ReadonlyMap<number, readonly number[]>;
}

/** VisionReward for images, in the order of `VisionReward_image_qa_select.txt`. Source: VisionReward inference-image.py. */
export const visionRewardImage: ImageChecklist = {
  weights: [
    2.354288, 0.068846, 0.101836, 0.130659, 0.069502, 0.055587, 0.043667, 0.211478, 0.582822, 0.05097, 0.067953,
    0.064909, 0.32476, 0.07563, 0.077473, 0.042203, 0.051476, 0.010244, 0.017375, 0.114551, 0.082418, 0.055349,
    0.030042, 0.031366, 0.076655, 0.071876, 0.01213, 0.01513,
  ],
  masks: new Map([
    [0, [22, 23, 24, 28, 29]],
    [1, [25, 26]],
    [2, [27]],
  ]),
};

/**
 * Score of an image: prompt alignment and answers times their weights, summed.
 *
 * @param alignment - the VQAScore of the image and its prompt, 0 to 1
 * @param answers - +1 for yes, -1 for anything else, masks included
 * @throws RangeError if there is not one answer for each question.
 */
export function imageChecklistScore(
  alignment: number,
  answers: readonly number[],
  { weights, masks }: ImageChecklist = visionRewardImage,
): number {
  const questions = weights.length - 1 + masks.size;
  if (answers.length !== questions) {
    throw new RangeError(`answers: received ${answers.length}, wanted one for each of ${questions} questions`);
  }
  const absent = new Set([...masks].flatMap(([mask, about]) => (answers[mask]! > 0 ? [] : about)));
  const counted = answers.map((answer, i) => (absent.has(i) ? 0 : answer)).filter((_, i) => !masks.has(i));
  return [alignment, ...counted].reduce((sum, value, i) => sum + value * weights[i]!, 0);
}
