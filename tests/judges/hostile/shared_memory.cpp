// expect: runtime_error
#include <sys/shm.h>
int main() { return shmget(0x636f, 4096, IPC_CREAT | 0666) < 0 ? 20 : 0; }
