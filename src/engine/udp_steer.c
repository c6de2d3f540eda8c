#include "udp_steer.h"

#include <errno.h>
#include <linux/filter.h>
#include <sys/socket.h>

#include "../core/handshake.h"
#include "../core/lane.h"

#ifndef SO_ATTACH_REUSEPORT_CBPF
#define SO_ATTACH_REUSEPORT_CBPF 51
#endif
#ifndef SO_DETACH_REUSEPORT_BPF
#define SO_DETACH_REUSEPORT_BPF 68
#endif

int
udp_steer(int fd, unsigned lanes)
{
	/* A datagram that is too short for what is looked at ends the program with 0, the first socket. */
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, LANE_KIND_AT),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, HANDSHAKE_KIND_INIT, 2, 0),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, LANE_ID_AT),
		BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, LANE_TOKEN_AT),
		BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, lanes),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program)) == 0 ? 0 : errno;
}

void
udp_steer_end(int fd)
{
	int none = 0;

	(void)setsockopt(fd, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &none, sizeof(none));
}
