const path = require('node:path');
const Sequencer = require('@jest/test-sequencer').default;

const kinds = ['chaos', 'e2e', 'integration', 'property', 'test'];

/** Slow kinds first, so that no worker is left alone with one at the end: on a new clone nothing else is known of how long files take. */
module.exports = class SlowKindsFirst extends Sequencer {
  sort(tests) {
    const rank = (test) => kinds.indexOf(path.basename(test.path).split('.').at(-2));
    return super.sort(tests).toSorted((one, other) => rank(one) - rank(other));
  }
};
