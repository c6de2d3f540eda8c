/* kcpctl: the subcommands. Each gets its own argv (argv[0] is its name) and returns the exit status. */
#ifndef KCPSHIM_KCPCTL_H
#define KCPSHIM_KCPCTL_H

#define EXIT_USAGE 2

int kcpctl_check(int argc, char **argv);
int kcpctl_genkey(int argc, char **argv);
int kcpctl_set(int argc, char **argv);
int kcpctl_status(int argc, char **argv);
int kcpctl_version(int argc, char **argv);
/* Prints the usage of all of them to standard error; returns EXIT_USAGE. */
int kcpctl_usage(void);

#endif
