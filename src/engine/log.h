/* log: one line per event, to stderr or the file that KCPSHIM_LOG names; silent below the chosen level. */
#ifndef KCPSHIM_LOG_H
#define KCPSHIM_LOG_H

#include "config.h"

/* Chooses level and destination. `fd` is a descriptor of the engine's table (owned from now on), or -1: nothing is written. */
void log_init(enum config_log level, int fd, const char *program);
/* Lets go of the destination: nothing is written from now on. */
void log_end(void);
/* Writes "kcpshim: PROGRAM[PID]: text\n" with one write(2). errno is preserved. */
void log_write(enum config_log level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(CONFIG_LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_write(CONFIG_LOG_WARN, __VA_ARGS__)
#define log_info(...) log_write(CONFIG_LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_write(CONFIG_LOG_DEBUG, __VA_ARGS__)

#endif
