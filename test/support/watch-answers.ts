/** What `node --import` loads into test files and brokers, so that their answers are looked at. */
import { watchAnswers } from './answer-watch.ts'

watchAnswers()
