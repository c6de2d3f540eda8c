#include "elfinfo.h"

#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define PHDRS_MAX 128u           /* more than any linker writes */

static bool
read_at(int fd, void *buf, size_t len, off_t at)
{
	return pread(fd, buf, len, at) == (ssize_t)len;
}

static bool
read_interp(int fd, const ElfW(Phdr) *ph, char *out, size_t size)
{
	if (ph->p_filesz == 0 || ph->p_filesz > size || !read_at(fd, out, ph->p_filesz, (off_t)ph->p_offset))
		return false;
	out[ph->p_filesz - 1] = '\0';
	return true;
}

bool
elfinfo_read(int fd, struct elfinfo *info)
{
	static const unsigned char native_class = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;
	ElfW(Ehdr) eh;
	ElfW(Phdr) ph;

	memset(info, 0, sizeof(*info));
	if (!read_at(fd, eh.e_ident, sizeof(eh.e_ident), 0) || memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0)
		return false;
	info->class = eh.e_ident[EI_CLASS];
	info->data = eh.e_ident[EI_DATA];
	if (info->class != native_class)
		return true;
	if (!read_at(fd, &eh, sizeof(eh), 0))
		return false;
	info->machine = eh.e_machine;
	if (eh.e_phentsize != sizeof(ph) || eh.e_phnum > PHDRS_MAX)
		return false;
	for (unsigned i = 0; i < eh.e_phnum; i++) {
		if (!read_at(fd, &ph, sizeof(ph), (off_t)(eh.e_phoff + i * sizeof(ph))))
			return false;
		if (ph.p_type == PT_INTERP)
			return read_interp(fd, &ph, info->interp, sizeof(info->interp));
	}
	return true;
}
