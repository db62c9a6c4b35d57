/* Jobs: threads of their own that run the operations of the queue, so that no request ever waits behind
 * one. */
#ifndef GRADD_SERVER_JOBS_H
#define GRADD_SERVER_JOBS_H

#include "server/engine.h"

struct jobs;

/* Starts as many threads as jobs may run at a time; NULL where the system has none. */
struct jobs *jobs_start(struct engine *engine);

/* Ends the threads. What runs is to have been cancelled before (operations_drain). */
void jobs_stop(struct jobs *jobs);

#endif
