export { CLASSIFIER, type ClassifierConfig, classifierShapes, initClassifier } from './config.ts';
export { classifierForward, classify } from './forward.ts';
