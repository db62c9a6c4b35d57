/* The service manager that started this process, where it was one such as systemd: the sockets that it
 * opened for us, and what it wants to be told. */
#ifndef GRADD_SERVER_SUPERVISOR_H
#define GRADD_SERVER_SUPERVISOR_H

#include "server/listen.h"

/* Takes over the sockets named by LISTEN_PID and LISTEN_FDS (sd_listen_fds(3)), where they are for this
 * process; there may be none. False, with one sentence, where one of them cannot be used. */
bool supervisor_sockets(struct listen_sockets *out, char *problem, size_t size);

/* Finds NOTIFY_SOCKET and WATCHDOG_USEC (sd_notify(3)). Before any of the functions below. */
void supervisor_start(void);

void supervisor_ready(void);
void supervisor_reloading(void); /* supervisor_ready follows */
void supervisor_stopping(void);

/* That the process is well, where that is due: at least every supervisor_patience_ms. */
void supervisor_beat(void);
long supervisor_patience_ms(long most); /* `most`, or less */

#endif
