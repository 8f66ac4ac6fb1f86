import { runLocal } from './run';

runLocal(process.env);
