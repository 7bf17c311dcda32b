import { autoscalingRules } from './autoscaling-rules.ts';
import { persist, purchase, scaling, seenToFail } from './test-kit.ts';

seenToFail(autoscalingRules, {
  'autoscaling annotations are on the template': [
    [
      'must be under spec.template',
      [purchase, ['metadata', 'annotations'], { 'autoscaling.knative.dev/min-scale': '1' }],
    ],
    [
      'must be under spec.template',
      [purchase, ['metadata', 'labels', 'autoscaling.knative.dev/max-scale'], '1'],
    ],
  ],
  'autoscaling annotations are such that Knative knows and takes them': [
    ["window: '2s'", [purchase, scaling('window'), '2s']],
    ["maxScale: '3'", [purchase, scaling('maxScale'), '3']],
    ["target: '0'", [purchase, scaling('target'), '0']],
    ["metric: 'cpu'", [purchase, scaling('metric'), 'cpu']],
    ["initial-scale: '0'", [purchase, scaling('initial-scale'), '0']],
  ],
  'there is a max-scale, and no min-scale above it': [
    ['takes all connections', [purchase, scaling('max-scale')]],
    ['is above max-scale', [purchase, scaling('min-scale'), '7']],
  ],
  'nothing is kept warm between sales': [['min-scale is 1', [purchase, scaling('min-scale'), '1']]],
  'there is no activation-scale': [
    ['activation-scale', [purchase, scaling('activation-scale'), '2']],
  ],
  'a sink’s target lets one dispatcher bring more than one instance': [
    ['target 100', [persist, scaling('target')]],
    ['target 90', [persist, scaling('target'), '90']],
  ],
  'a sink is called without the activator in between': [
    ['is 211', [persist, scaling('target-burst-capacity')]],
    ['is -1', [persist, scaling('target-burst-capacity'), '-1']],
  ],
});
