/* settle: waits for engines to see that programs closed their listeners, since over TCP the port is free as close() returns. */
#ifndef KCPSHIM_PRELOAD_SETTLE_H
#define KCPSHIM_PRELOAD_SETTLE_H

#include <stdbool.h>
#include <stdint.h>

/* A TCP socket found `port` in use: asks every engine that holds a listener there to look whether a program still has it.
 * True: one was asked and has answered, so that trying again may succeed. errno is kept. */
bool settle_port(uint16_t port);

#endif
