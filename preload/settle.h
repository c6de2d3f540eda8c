/* settle: waits for engines to see that programs closed their listeners, since over TCP the port is free as close() returns. */
#ifndef KCPSHIM_PRELOAD_SETTLE_H
#define KCPSHIM_PRELOAD_SETTLE_H

#include <stdbool.h>
#include <stdint.h>

/* The TCP `socket`, bound to `port`, found the port in use: asks every engine that holds a listener there to look whether a program
 * still has it. Trying again then tells the truth. True: a listener was made from this very socket, in a process that
 * inherited it as well, and will share the port (CTL_F_SHARED). errno is kept. */
bool settle_port(uint16_t port, int socket);

#endif
