/* udp_steer: tells the kernel which of several sockets on one UDP port gets a datagram (core/lane.h).
 *
 * The sockets are those of one SO_REUSEPORT group, in the order in which they were bound. A program that the kernel runs on the
 * first bytes of each datagram chooses among them; without one the kernel goes by the hash of both addresses, which is right for
 * wire=plain: there the address is what tells sessions apart.
 */
#ifndef KCPSHIM_UDP_STEER_H
#define KCPSHIM_UDP_STEER_H

/* For the group that `fd` is in, of `lanes` sockets. 0 or positive errno (EINVAL: fd is in none). */
int udp_steer(int fd, unsigned lanes);
/* Back to the hash. */
void udp_steer_end(int fd);

#endif
