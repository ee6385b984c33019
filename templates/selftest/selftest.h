/* The firmware's self-test: runs the golden vectors and reports as lines of the protocol. */
#ifndef SELFTEST_H
#define SELFTEST_H

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Initialises the model, runs every golden vector and reports over board_write().
 *
 * Call it once, after board_init() and instead of model_init(); afterwards the model is ready for use. In a build with
 * MODEL_PROFILE it reports the time of each layer, too.
 *
 * @return 0 where every output byte was the expected one, else 1: a status for board_exit().
 */
int selftest_run(void);

#ifdef __cplusplus
}
#endif

#endif
