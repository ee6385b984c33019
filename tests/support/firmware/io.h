/* Files of the host: inputs.bin and outputs.bin in the current folder. Functions return 0 on success. */
#ifndef IO_H
#define IO_H

#include <stdint.h>

int io_open(void);
int io_read(void *to, uint32_t bytes);
int io_write(const void *from, uint32_t bytes);

#endif
