#ifndef WORK_H
#define WORK_H
#include <stdint.h>
uint32_t work(uint32_t rounds);
#endif
