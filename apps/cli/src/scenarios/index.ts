import { failedRecovery } from './failed-recovery';
import { onboarding } from './onboarding';
import { reEnable } from './re-enable';
import type { Scenario } from './scenario';
import { scheduled } from './scheduled';

export type * from './scenario';

/** The flows that can be simulated, in the order of a merchant's life. */
export const scenarios: readonly Scenario[] = [onboarding, scheduled, failedRecovery, reEnable];
