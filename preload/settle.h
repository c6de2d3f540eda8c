/* settle: waits for engines to see that programs closed their listeners, since over TCP the port is free as close() returns. */
#ifndef KCPSHIM_PRELOAD_SETTLE_H
#define KCPSHIM_PRELOAD_SETTLE_H

#include <stdint.h>

/* A TCP socket found `port` in use: asks every engine that holds a listener there to look whether a program still has it.
 * Trying again then tells the truth. errno is kept. */
void settle_port(uint16_t port);

#endif
