// expect: time_limit
#include <csignal>
int main() { raise(SIGSTOP); }
