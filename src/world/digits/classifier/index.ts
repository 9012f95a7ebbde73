export { CLASSIFIER, type ClassifierConfig, classifier, classifierShapes } from './config.ts';
export { classifierForward, classify } from './forward.ts';
