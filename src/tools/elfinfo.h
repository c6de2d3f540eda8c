/* elfinfo: what a program loader would see first in an ELF file. */
#ifndef KCPSHIM_ELFINFO_H
#define KCPSHIM_ELFINFO_H

#include <limits.h>
#include <stdbool.h>

struct elfinfo {
	unsigned char class, data;    /* EI_CLASS, EI_DATA */
	unsigned machine;             /* e_machine; 0 when the class is not this program's */
	char interp[PATH_MAX];        /* PT_INTERP, "" when there is none */
};

/* Reads the headers of the file open at `fd`. False: not an ELF file, or one that ends too early. */
bool elfinfo_read(int fd, struct elfinfo *);

#endif
