// expect: runtime_error
#include <pthread.h>
#include <unistd.h>
static void *spin(void *) { for (;;) pause(); }
int main() { for (int i = 0; i < 400; i++) { pthread_t t; if (pthread_create(&t, 0, spin, 0)) return 22; } }
